public import LinuxKernel
public import NetAddress

#if canImport(Glibc)
    import Glibc
#endif

/// An nf_tables table with one chain after routing in which the kernel masquerades: connection tracking gives packets
/// of a range the address of the interface by which they leave.
///
/// The whole table is written in one transaction and belongs to us alone. No other table is read or changed.
public struct MasqueradeTable: Sendable, Hashable {
    /// An interface by which packets leave.
    public enum Interface: Sendable, Hashable {
        case named(String)
        /// All interfaces whose names begin with this, like iptables' `eth+`.
        case prefix(String)
    }

    public let name: String
    /// Packets from this range are masqueraded.
    public var source: IPv4CIDR
    /// Packets to these ranges are not masqueraded. The order is kept.
    public var exclusions: [IPv4CIDR]
    /// Only packets that leave by these interfaces are masqueraded. If there are none, packets by any interface are.
    public var interfaces: [Interface]

    public init(name: String, source: IPv4CIDR, exclusions: [IPv4CIDR], interfaces: [Interface]) {
        self.name = name
        self.source = source
        self.exclusions = exclusions
        self.interfaces = interfaces
    }

    /// Installs the table in place of the present one. Connections continue.
    ///
    /// - Throws: `SystemError`; `EOPNOTSUPP`, `ENOENT` or `EPROTONOSUPPORT` if the kernel lacks a feature that this
    ///   needs.
    public func install() throws(SystemError) {
        try NetfilterBatch.run("nf_tables transaction", subject: "table \(name)", messages(replacing: true))
    }

    /// Says whether the kernel has a table of this name.
    public static func isPresent(_ name: String) throws(SystemError) -> Bool {
        do throws(SystemError) {
            try NetfilterBatch.run("nf_tables GETTABLE", subject: "table \(name)", [.table(.get, name)], inBatch: false)
            return true
        } catch {
            // There is no such table, or the kernel has no nf_tables and so no table at all.
            if [ENOENT, EPROTONOSUPPORT, EOPNOTSUPP, EINVAL].contains(error.code) { return false }
            throw error
        }
    }

    /// Removes the table. Returns false if there was none.
    @discardableResult
    public static func remove(_ name: String) throws(SystemError) -> Bool {
        guard try isPresent(name) else { return false }
        try NetfilterBatch.run("nf_tables transaction", subject: "table \(name)", [.table(.delete, name)])
        return true
    }

    func messages(replacing: Bool) -> [NetfilterMessage] {
        var messages: [NetfilterMessage] = [.table(.create, name)]
        // Deleting a table that does not exist fails, so it is created first. Nobody sees that, since it is all one
        // transaction.
        if replacing { messages += [.table(.delete, name), .table(.create, name)] }
        messages.append(.natChain(table: name, chain: Self.chain))
        for range in exclusions {
            messages.append(rule([.destination(in: range), .leave]))
        }
        let target: [NetfilterExpression] = [.source(in: source)]
        if interfaces.isEmpty { messages.append(rule(target + [.masquerade])) }
        for interface in interfaces { messages.append(rule(target + [.leaves(by: interface), .masquerade])) }
        return messages
    }

    private static let chain = "postrouting"

    private func rule(_ expressions: [NetfilterExpression]) -> NetfilterMessage {
        .rule(table: name, chain: Self.chain, expressions)
    }
}
