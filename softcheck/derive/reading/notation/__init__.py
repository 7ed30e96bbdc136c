"""The notation of papers: tokens to trees."""
