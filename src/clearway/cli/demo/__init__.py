"""The main job, told once from commit to production and back, on real software behind a real router."""
