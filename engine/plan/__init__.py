"""The difference between what was computed and what each destination has acknowledged: planned, counted, guarded."""
