"""The A1 platform: one Pulumi program from a bare Linux machine to a production AI platform on K3s."""
