"""The parts of the folded appendix: long tables, evidence, provenance."""
