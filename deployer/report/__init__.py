"""Every word a person or a job reads."""
