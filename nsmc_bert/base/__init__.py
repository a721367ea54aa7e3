"""The ground of both packages, which knows neither reviews nor BERT."""
