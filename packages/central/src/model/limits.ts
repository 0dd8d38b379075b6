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
