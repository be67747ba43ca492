"""What tests share: references, drawn calls, arrays of every layout, and processes of their own."""
