"""Cases from inside a training step."""
