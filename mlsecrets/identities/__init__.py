"""One file per way to prove to OpenBao/Vault who this process is."""
