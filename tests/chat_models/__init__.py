"""Who answers: endpoints, the built-in model, and where its file comes from."""
