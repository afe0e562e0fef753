"""Pictures from files: what references name, decoded by Pillow (and simplejpeg), and what they were like."""
