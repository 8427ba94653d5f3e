"""How good ranked boxes are: average precision as COCO has it, and ranking per query."""
