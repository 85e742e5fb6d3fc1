// The hub's network: one public subnet, because a NAT gateway may not be free, behind rules that let nothing
// in but WireGuard and the one ICMP message without which large packets vanish. What the hub serves, it
// serves inside the tailnet.
import * as oci from "@pulumi/oci";
import * as pulumi from "@pulumi/pulumi";
import { PORTS, WIREGUARD_PORT } from "../lib/names.ts";

const VCN_CIDR = "10.80.0.0/24";
const ANYWHERE = "0.0.0.0/0";

/** IANA's numbers, as texts. */
const PROTOCOL = { icmp: "1", tcp: "6", udp: "17", all: "all" } as const;

export interface NetworkArgs {
  compartmentId: pulumi.Input<string>;
}

export class Network extends pulumi.ComponentResource {
  readonly subnetId: pulumi.Output<string>;
  /** The group of the hub's network card; nothing else is in it. */
  readonly nsgId: pulumi.Output<string>;

  constructor(name: string, args: NetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("tickhub:hub:Network", name, {}, opts);
    const { compartmentId } = args;
    const vcn = new oci.core.Vcn(
      `${name}-vcn`,
      { compartmentId, cidrBlocks: [VCN_CIDR], displayName: "tickhub", dnsLabel: "tickhub" },
      { parent: this },
    );
    const within = { compartmentId, vcnId: vcn.id };
    const subnet = new oci.core.Subnet(
      `${name}-subnet`,
      {
        ...within,
        cidrBlock: VCN_CIDR,
        displayName: "tickhub",
        dnsLabel: "hub",
        routeTableId: this.#routes(name, within),
        securityListIds: [this.#closedLists(name, within, vcn)],
      },
      { parent: this },
    );
    const group = new oci.core.NetworkSecurityGroup(
      `${name}-hub`,
      { ...within, displayName: "tickhub-hub" },
      { parent: this },
    );
    this.subnetId = subnet.id;
    this.nsgId = group.id;
    this.#rule(`${name}-wireguard`, {
      description: "Tailscale, direct connections",
      direction: "INGRESS",
      protocol: PROTOCOL.udp,
      source: ANYWHERE,
      sourceType: "CIDR_BLOCK",
      udpOptions: { destinationPortRange: { min: WIREGUARD_PORT, max: WIREGUARD_PORT } },
    });
    this.#rule(`${name}-path-mtu`, {
      description: "ICMP fragmentation needed; the VNIC's MTU is 9000",
      direction: "INGRESS",
      protocol: PROTOCOL.icmp,
      source: ANYWHERE,
      sourceType: "CIDR_BLOCK",
      icmpOptions: { type: 3, code: 4 },
    });
    this.#rule(`${name}-outward`, {
      description: "Everything outward",
      direction: "EGRESS",
      protocol: PROTOCOL.all,
      destination: ANYWHERE,
      destinationType: "CIDR_BLOCK",
    });
    this.registerOutputs({ subnetId: this.subnetId, nsgId: this.nsgId });
  }

  /** SSH from one private address: the bastion's, whose component owns the rule. */
  allowSshFrom(name: string, address: pulumi.Input<string>, parent: pulumi.Resource): void {
    const rule = {
      description: "SSH from the bastion",
      direction: "INGRESS",
      protocol: PROTOCOL.tcp,
      source: pulumi.interpolate`${address}/32`,
      sourceType: "CIDR_BLOCK",
      tcpOptions: { destinationPortRange: { min: PORTS.ssh, max: PORTS.ssh } },
    };
    this.#rule(name, rule, parent);
  }

  #routes(name: string, within: Within): pulumi.Output<string> {
    const gateway = new oci.core.InternetGateway(
      `${name}-gateway`,
      { ...within, displayName: "tickhub", enabled: true },
      { parent: this },
    );
    const route = {
      networkEntityId: gateway.id,
      destination: ANYWHERE,
      destinationType: "CIDR_BLOCK",
    };
    return new oci.core.RouteTable(
      `${name}-routes`,
      { ...within, displayName: "tickhub", routeRules: [route] },
      { parent: this },
    ).id;
  }

  /**
   * A subnet without a list of its own gets the VCN's default, which lets SSH in from everywhere. Ours lets
   * nothing in, and the default is emptied, so that a subnet made by hand is not open either.
   */
  #closedLists(name: string, within: Within, vcn: oci.core.Vcn): pulumi.Output<string> {
    new oci.core.DefaultSecurityList(
      `${name}-default`,
      { manageDefaultResourceId: vcn.defaultSecurityListId, displayName: "default, empty" },
      { parent: this },
    );
    return new oci.core.SecurityList(
      `${name}-closed`,
      {
        ...within,
        displayName: "closed",
        ingressSecurityRules: [],
        egressSecurityRules: [{ protocol: PROTOCOL.all, destination: ANYWHERE }],
      },
      { parent: this },
    ).id;
  }

  #rule(
    name: string,
    rule: Omit<oci.core.NetworkSecurityGroupSecurityRuleArgs, "networkSecurityGroupId">,
    parent: pulumi.Resource = this,
  ): void {
    new oci.core.NetworkSecurityGroupSecurityRule(
      name,
      { networkSecurityGroupId: this.nsgId, ...rule },
      { parent },
    );
  }
}

interface Within {
  compartmentId: pulumi.Input<string>;
  vcnId: pulumi.Input<string>;
}
