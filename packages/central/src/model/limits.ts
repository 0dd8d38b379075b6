// The bounds of one object, in one place; checked by validate-*.ts and stated in the error. Bounds of a request are api/limits.ts.

/** Labels of an object. */
export const maxLabels = 64;
export const maxSubnetsPerNetwork = 256;
export const maxRangesPerSubnet = 64;
export const maxReservedPerSubnet = 1024;
export const maxFixedIpsPerPort = 32;
export const maxAddressPairsPerPort = 128;
/** UTF-8 bytes of device_owner and device_id. */
export const maxDeviceBytes = 255;
export const maxPhysicalNetworkLength = 63;
/** Encapsulations and physical networks of a chassis. */
export const maxEncapsPerChassis = 8;
export const maxPhysicalNetworksPerChassis = 64;
export const maxInterfacesPerRouter = 256;
/** Prefixes of networks and links that a router is connected to. */
export const maxConnectedPerRouter = 1024;
export const maxRoutesPerRouter = 10_000;
export const maxPoliciesPerRouter = 1000;
export const maxLinksPerRouter = 64;
/** In each direction: from a router, and to it. */
export const maxLeaksPerRouter = 64;
export const maxPrefixesPerLeak = 64;
export const maxAddressesPerLinkEnd = 16;
/** Of a route, and of a policy route. */
export const maxNextHops = 16;
/** Source ports and destination ports of a policy route, each. */
export const maxPortRanges = 16;
export const maxRouteTable = 65_535;
export const minPolicyPriority = 1;
export const maxPolicyPriority = 32_767;
