"""What a call is: arguments, dtypes, shapes and values, each checked once by pure functions."""
