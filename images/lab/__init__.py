# SPDX-License-Identifier: Apache-2.0
"""A small ISP on one machine: separate hosts, joined by veths, with real services. See README.md."""
