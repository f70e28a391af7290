"""Files: written whole or not at all, kept from harm, and read in the few forms that are used here."""
