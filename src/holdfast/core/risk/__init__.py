"""How dangerous a tool call is: pure classifiers over its name, arguments and commands."""
