"""A LightningModule, and its LightningDataModule, trained as they are."""
