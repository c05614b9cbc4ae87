"""Turn-taking: who has the floor, what the model is asked, and what is said."""
