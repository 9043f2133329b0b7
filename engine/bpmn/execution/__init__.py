"""SpiffWorkflow taught to run our diagrams; what uses it goes through workflow and definition."""
