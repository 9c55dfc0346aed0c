"""The HTTP side: routes, who is let in, and answers that go on."""
