"""The command line: `flexspine …`; what stands here turns words and files into calls, and back."""
