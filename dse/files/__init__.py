"""Files as all tools read and write them: whole or not at all, checked, and within bounds."""
