//! The ollama provider.
