"""The clients, each as its user would write it; run by ``__main__`` in a process."""
