"""What all tests share; this file's place also puts `helpers` and `fake_endpoint` on the import path."""
