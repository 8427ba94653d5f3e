"""What every kind of training shares: its folder, its settings, its metrics, the processes that agree."""
