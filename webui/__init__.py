"""The pages: everything a person sees in a browser, and the two start commands."""
