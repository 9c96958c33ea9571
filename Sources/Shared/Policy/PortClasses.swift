/// Classes of ports: ports that every rule treats alike share a number. Class 0 is for ports that no rule names.
///
/// A number is not given to other ports while its old meaning may still be in use. Entries of both can therefore exist
/// side by side while the datapath changes over.
public struct PortClasses: Sendable, Hashable {
    /// The ports of each class, in order.
    public private(set) var ports: [UInt16: [PortRange]] = [:]
    private var segments: [Segment] = []

    private struct Segment: Sendable, Hashable {
        let range: PortRange
        let number: UInt16
    }

    public init() {}

    /// Makes the classes from those that the datapath holds.
    public init(ports: [UInt16: [PortRange]]) {
        self.ports = ports
        segments = ports.flatMap { number, ranges in ranges.map { Segment(range: $0, number: number) } }
            .sorted { $0.range < $1.range }
    }

    /// Returns the classes for other ranges.
    ///
    /// - Returns: Nil if there are more classes than numbers.
    public func changed(to ranges: Set<PortRange>) -> PortClasses? {
        var groups: [Set<PortRange>: [PortRange]] = [:]
        for transport in PortProtocol.allCases {
            let own = ranges.filter { $0.protocol == transport }
            // These are the places where a range begins, or where the port after a range is. Between two neighbouring
            // places all ports are alike.
            let cuts = Set(own.flatMap { [UInt32($0.ports.lowerBound), UInt32($0.ports.upperBound) + 1] }).sorted()
            for (first, next) in zip(cuts, cuts.dropFirst()) {
                guard let low = UInt16(exactly: first), let high = UInt16(exactly: next - 1) else { continue }
                let covering = own.filter { $0.ports.contains(low) }
                if !covering.isEmpty { groups[covering, default: []].append(PortRange(transport, low...high)) }
            }
        }
        let numbers = Dictionary(uniqueKeysWithValues: ports.map { ($0.value, $0.key) })
        var result: [UInt16: [PortRange]] = [:]
        var next: UInt16 = 1
        for ports in groups.values.sorted(by: { $0[0] < $1[0] }) {
            if let number = numbers[ports] {
                result[number] = ports
                continue
            }
            while self.ports[next] != nil || result[next] != nil {
                if next == .max { return nil }
                next += 1
            }
            result[next] = ports
        }
        return PortClasses(ports: result)
    }

    /// Returns the classes that make up a range. The range must be one of those that the classes were made for.
    public func classes(in range: PortRange) -> [UInt16] {
        Set(
            segments.filter {
                $0.range.protocol == range.protocol && range.ports.contains($0.range.ports.lowerBound)
            }.map(\.number)
        ).sorted()
    }

    public func number(of port: UInt16, _ transport: PortProtocol) -> UInt16 {
        segments.first { $0.range.protocol == transport && $0.range.ports.contains(port) }?.number ?? 0
    }
}
