"""Result pages: plots and tables as one HTML file that needs no network."""
