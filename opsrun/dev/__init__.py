"""Development only: `opsrun dev`, its demo data and its embedded servers."""
