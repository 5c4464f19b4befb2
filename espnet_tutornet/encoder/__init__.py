"""Encoders of the TutorNet paper that ESPnet lacks: Jasper and DeepSpeech2."""
