"""What the process keeps and uses: caches, numbers of threads, the configuration."""
