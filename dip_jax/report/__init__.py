"""What is told: progress, figures, pictures, and the page of a run."""
