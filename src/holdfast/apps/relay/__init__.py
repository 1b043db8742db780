"""One of several processes of the model's door: it carries answers, the server decides and pays."""
