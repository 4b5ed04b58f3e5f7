"""Profile and facts in, Plan out. Every decision about what happens, and in what order, is made here. Pure."""
