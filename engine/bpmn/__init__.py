"""BPMN, DMN and forms: reading, checking and running diagrams; no database here."""
