"""What knows a source of speech: how its audio and transcripts are laid out."""
