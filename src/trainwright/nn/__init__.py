"""Building blocks: encoders, combiners, decoders, losses. Their tables import no torch."""
