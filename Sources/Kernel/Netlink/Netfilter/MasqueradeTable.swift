public import LinuxKernel
public import NetAddress

#if canImport(Glibc)
    import Glibc
#endif

/// A table of nf_tables with one chain after routing, in which the kernel masquerades: connection tracking gives
/// packets of a range the address of the interface by which they leave.
///
/// The table is written whole in one transaction and belongs to us alone; no other table is read or changed.
public struct MasqueradeTable: Sendable, Hashable {
    /// An interface by which packets leave.
    public enum Interface: Sendable, Hashable {
        case named(String)
        /// All whose names begin so: iptables' `eth+`.
        case prefix(String)
    }

    public let name: String
    /// Packets from here.
    public var source: IPv4CIDR
    /// Not to here; in order.
    public var exclusions: [IPv4CIDR]
    /// Only by these; empty: by all.
    public var interfaces: [Interface]

    public init(name: String, source: IPv4CIDR, exclusions: [IPv4CIDR], interfaces: [Interface]) {
        self.name = name
        self.source = source
        self.exclusions = exclusions
        self.interfaces = interfaces
    }

    /// Puts the table in the place of the one that is there; connections go on.
    ///
    /// - Throws: `SystemError`; `EOPNOTSUPP`, `ENOENT` or `EPROTONOSUPPORT` when the kernel lacks what it needs.
    public func install() throws(SystemError) {
        try NetfilterBatch.run("nf_tables transaction", subject: "table \(name)", messages(replacing: true))
    }

    /// Whether the kernel has a table of this name.
    public static func isPresent(_ name: String) throws(SystemError) -> Bool {
        do throws(SystemError) {
            try NetfilterBatch.run("nf_tables GETTABLE", subject: "table \(name)", [.table(.get, name)], inBatch: false)
            return true
        } catch {
            // No such table; or no nf_tables, and hence none of ours.
            if [ENOENT, EPROTONOSUPPORT, EOPNOTSUPP, EINVAL].contains(error.code) { return false }
            throw error
        }
    }

    /// Takes the table away; false when there was none.
    @discardableResult
    public static func remove(_ name: String) throws(SystemError) -> Bool {
        guard try isPresent(name) else { return false }
        try NetfilterBatch.run("nf_tables transaction", subject: "table \(name)", [.table(.delete, name)])
        return true
    }

    func messages(replacing: Bool) -> [NetfilterMessage] {
        var messages: [NetfilterMessage] = [.table(.create, name)]
        // To delete what is not there fails, so it is made first: the transaction shows nothing of it.
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
