"""Finding secrets in what is stored already, and taking every byte of them away."""
