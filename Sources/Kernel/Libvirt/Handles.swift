import CLibvirt

#if canImport(Glibc)
    import Glibc
#endif

/// Owns a `virConnectPtr`. This is unchecked because libvirt's objects may be used from any thread
/// (libvirt.org/threading).
final class ConnectionHandle: @unchecked Sendable {
    let pointer: virConnectPtr

    init(_ pointer: virConnectPtr) { self.pointer = pointer }

    deinit { virConnectClose(pointer) }

    /// Returns every active domain.
    func domains() throws(LibvirtError) -> [DomainHandle] {
        var list: UnsafeMutablePointer<virDomainPtr?>?
        let count = virConnectListAllDomains(pointer, &list, VIR_CONNECT_LIST_DOMAINS_ACTIVE.rawValue)
        guard count >= 0 else { throw .last("virConnectListAllDomains", "") }
        defer { free(list) }
        return (0..<Int(count)).compactMap { index in
            list?[index].map { DomainHandle($0, connection: self) }
        }
    }
}

/// Owns a `virDomainPtr` and keeps the connection open. It is unchecked for the same reason.
final class DomainHandle: @unchecked Sendable {
    let pointer: virDomainPtr
    private let connection: ConnectionHandle

    init(_ pointer: virDomainPtr, connection: ConnectionHandle) {
        self.pointer = pointer
        self.connection = connection
    }

    deinit { virDomainFree(pointer) }

    var name: String { virDomainGetName(pointer).map { String(cString: $0) } ?? "?" }

    /// Throws the calling thread's last error with the domain's name if the result is negative.
    @discardableResult
    func check(_ call: String, _ body: (virDomainPtr) -> Int32) throws(LibvirtError) -> Int32 {
        let answer = body(pointer)
        guard answer >= 0 else { throw .last(call, name) }
        return answer
    }

    /// Ends QEMU at once. It is no error if the domain no longer runs.
    func destroy() throws(LibvirtError) {
        do throws(LibvirtError) {
            try check("virDomainDestroy") { virDomainDestroy($0) }
        } catch {
            // With code 0, libvirt noticed while it waited that QEMU had ended by itself, and recorded no error.
            if error.saysNotRunning || (error.code == 0 && virDomainIsActive(pointer) != 1) { return }
            throw error
        }
    }
}
