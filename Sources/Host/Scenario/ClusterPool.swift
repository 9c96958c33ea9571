import DatapathOptions
import NetAddress

/// The pool of `ipam.mode: cluster-pool`. Like Cilium's operator, it gives each node, in order, a share of a list of
/// ranges.
public struct ClusterPool: Sendable, Equatable {
    /// Why a pool cannot be used.
    public struct Mistake: Error, CustomStringConvertible {
        public let description: String
    }

    /// The option that names the ranges.
    static let rangesOption = "ipam.operator.clusterPoolIPv4PodCIDRList"

    /// The ranges, in the order in which they are used up.
    public let ranges: [IPv4CIDR]
    /// The prefix length of a share.
    public let maskSize: Int

    /// Reads the pool from `ipam.operator.*`. What is not given there is taken from the profile.
    public init(_ profile: LabProfile) throws(Mistake) {
        let values = profile.datapathValues
        let options: DatapathOptions
        do {
            options = try DatapathOptions(values: values)
        } catch {
            throw Mistake(description: "\(error)")
        }
        let pool = options.ipam.operator
        let texts = pool.clusterPoolIPv4PodCIDRList.isEmpty ? [profile.podCIDR] : pool.clusterPoolIPv4PodCIDRList
        maskSize =
            values["ipam.operator.clusterPoolIPv4MaskSize"] == nil
            ? profile.podMaskSize : pool.clusterPoolIPv4MaskSize
        ranges = texts.compactMap { IPv4CIDR($0)?.network }
        guard ranges.count == texts.count, (1...Self.mostRanges).contains(ranges.count) else {
            throw Mistake(description: "\(Self.rangesOption) takes 1 to \(Self.mostRanges) networks")
        }
        for (index, range) in ranges.enumerated() {
            guard range.prefixLength <= maskSize else {
                throw Mistake(description: "a /\(maskSize) per node does not fit \(range)")
            }
            for other in ranges[..<index] where other.overlaps(range) {
                throw Mistake(description: "\(Self.rangesOption): \(other) and \(range) overlap")
            }
        }
        guard !pool.clusterPoolIPv4PodCIDRList.isEmpty, options.ipam.mode != .eni else { return }
        try check(against: profile)
    }

    /// Refuses ranges that hold addresses of nodes or services, which agents refuse, too. The lab's own ranges are
    /// checked where the lab is read.
    private func check(against profile: LabProfile) throws(Mistake) {
        let nodes = profile.nodeAddresses
        let services = IPv4CIDR(network: profile.serviceCIDR)
        for range in ranges {
            if let node = nodes.first(where: range.contains) {
                throw Mistake(
                    description: "\(Self.rangesOption): \(range) holds addresses of nodes, such as \(node)")
            }
            if let services, services.overlaps(range) {
                throw Mistake(description: "\(Self.rangesOption): \(range) overlaps the services' \(services)")
            }
        }
    }

    /// The number of ranges that the datapath's configuration can hold.
    public static let mostRanges = 4

    /// The number of shares of all ranges together.
    public var count: Int { ranges.reduce(0) { $0 + 1 << (maskSize - $1.prefixLength) } }

    /// Returns the share at a position of the pool, or nil if the pool is used up.
    public func share(_ place: Int) -> IPv4CIDR? {
        guard place >= 0 else { return nil }
        var rest = place
        for range in ranges {
            let shares = 1 << (maskSize - range.prefixLength)
            guard rest >= shares else {
                let address = range.address.rawValue + UInt32(rest) << UInt32(32 - maskSize)
                return IPv4CIDR(IPv4Address(rawValue: address), prefixLength: maskSize)
            }
            rest -= shares
        }
        return nil
    }
}

extension LabProfile {
    /// The nodes' addresses in their first subnet: from its eleventh address on, in the order of their names.
    public var nodeAddresses: [IPv4Address] {
        guard let subnet = IPv4CIDR(subnetCIDR) else { return [] }
        return (0..<min(max(0, nodeCount), LabShape.nodeCounts.upperBound)).map { index in
            IPv4Address(rawValue: subnet.network.address.rawValue &+ UInt32(LabShape.firstNodeOffset + index))
        }
    }

    /// A value of the datapath that fits its option, but not the lab.
    struct ValueMistake {
        let option: String
        let message: String
        var expected: String?
    }

    /// Finds what the agents or the lab would refuse of the datapath's values.
    func valueMistakes() -> [ValueMistake] {
        guard let options = try? DatapathOptions(values: datapathValues) else { return [] }
        var mistakes: [ValueMistake] = []
        if datapathValues[ClusterPool.rangesOption] != nil {
            do throws(ClusterPool.Mistake) {
                _ = try ClusterPool(self)
            } catch {
                mistakes.append(ValueMistake(option: ClusterPool.rangesOption, message: "\(error)"))
            }
        }
        return mistakes + deviceMistakes(options) + serverMistakes(options)
    }

    /// Where agents look for the API server is of no effect without one. Agents look no names up.
    private func serverMistakes(_ options: DatapathOptions) -> [ValueMistake] {
        let given = [
            options.k8sServiceHost.isEmpty ? nil : "k8sServiceHost",
            options.k8sServicePort == 0 ? nil : "k8sServicePort",
        ].compactMap { $0 }
        guard controlPlane.enabled else {
            return given.map {
                ValueMistake(
                    option: $0, message: "the lab has no API server", expected: "a lab with controlPlane.enabled: true")
            }
        }
        guard !options.k8sServiceHost.isEmpty, IPv4Address(options.k8sServiceHost) == nil else { return [] }
        return [
            ValueMistake(
                option: "k8sServiceHost", message: "agents look no names up, and this is no address",
                expected: "an IPv4 address")
        ]
    }

    /// An agent does not start if its node lacks an interface that is named. A pattern with `+` may match none, but if
    /// no entry does, no packet of the outside would meet the datapath.
    private func deviceMistakes(_ options: DatapathOptions) -> [ValueMistake] {
        // The cloud plugs in more interfaces as pods need their addresses.
        guard !options.devices.isEmpty, options.ipam.mode != .eni else { return [] }
        let interfaces = ["eth0"] + cloud.interfaces.map(\.name)
        func matches(_ entry: String) -> Bool {
            interfaces.contains {
                entry.hasSuffix("+") ? $0.hasPrefix(entry.dropLast()) : $0 == entry
            }
        }
        let expected = "interfaces of the nodes: " + interfaces.joined(separator: ", ")
        let missing = options.devices.filter { !$0.hasSuffix("+") && !matches($0) }
        if !missing.isEmpty {
            return missing.map {
                ValueMistake(option: "devices", message: "the nodes have no interface \($0)", expected: expected)
            }
        }
        guard !options.devices.contains(where: matches) else { return [] }
        return [
            ValueMistake(
                option: "devices",
                message: "no interface of the nodes matches \(options.devices.joined(separator: ", "))",
                expected: expected)
        ]
    }
}
