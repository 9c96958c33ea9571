public import CloudAPI

/// The instance metadata that `GET /latest/meta-data/…` answers, in EC2's paths. It is pure.
public enum InstanceMetadata {
    /// Where all machines of a lab are.
    public static let zone = "lab-1a"
    public static let region = "lab-1"

    /// Returns the text at a path, or nil if there is none. A path that has others below it lists them.
    public static func text(_ target: String, instance: CloudInstance, publicAddress: String?) -> String? {
        let parts = target.split(separator: "/", omittingEmptySubsequences: true).map(String.init)
        guard parts.count >= 2, parts[0] == "latest", parts[1] == "meta-data" else { return nil }
        let first = instance.interfaces.first
        var values = [
            "ami-id": "ami-labrun", "hostname": instance.node, "instance-id": instance.instanceID,
            "instance-type": instance.instanceType, "local-hostname": instance.node,
            "local-ipv4": first?.primaryAddress ?? "", "mac": first?.mac ?? "",
            "placement/availability-zone": zone, "placement/region": region,
        ]
        if let publicAddress { values["public-ipv4"] = publicAddress }
        for interface in instance.interfaces {
            let base = "network/interfaces/macs/\(interface.mac)/"
            let addresses = [interface.primaryAddress] + interface.secondaryAddresses
            values[base + "device-number"] = "\(interface.deviceIndex ?? 0)"
            values[base + "interface-id"] = interface.id
            values[base + "local-ipv4s"] = addresses.joined(separator: "\n")
            values[base + "mac"] = interface.mac
            values[base + "security-groups"] = interface.securityGroups.joined(separator: "\n")
            values[base + "subnet-id"] = interface.subnetID
            values[base + "subnet-ipv4-cidr-block"] = interface.subnetCIDR
            values[base + "vpc-ipv4-cidr-block"] = instance.vpcCIDR
            if !interface.prefixes.isEmpty { values[base + "ipv4-prefix"] = interface.prefixes.joined(separator: "\n") }
        }
        let path = parts.dropFirst(2).joined(separator: "/")
        if let value = values[path] { return value }
        let prefix = path.isEmpty ? "" : path + "/"
        let below = values.keys.filter { $0.hasPrefix(prefix) }.map { key -> String in
            let rest = key.dropFirst(prefix.count)
            return rest.contains("/") ? String(rest.prefix { $0 != "/" }) + "/" : String(rest)
        }
        return below.isEmpty ? nil : Set(below).sorted().joined(separator: "\n")
    }
}
