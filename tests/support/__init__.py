"""What several tests need: tiny models, runs in processes of their own, photos, weights in published layouts."""
