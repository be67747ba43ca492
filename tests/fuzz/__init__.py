"""A fuzzer: drawn calls of every public function, answers that ndconv has no part in, and what is demanded of both."""
