/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Lets everything pass. On the far end of a veth it makes the kernel take frames that the near end's
 * program sends back by XDP_TX: without any program there, they are lost. ".frags": large ones, too.
 */
__attribute__((section("xdp.frags"), used)) int pass(void *context)
{
    (void)context;
    return 2; /* XDP_PASS */
}

char pass_license[] __attribute__((section("license"), used)) = "Dual MIT/GPL";
