"""What stands on packages of others; each module names the extra that brings them."""
