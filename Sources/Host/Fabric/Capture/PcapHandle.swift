import CLibpcap
import Glibc

/// An open capture of libpcap, in non-blocking mode.
struct PcapHandle: ~Copyable {
    private let handle: OpaquePointer
    /// The descriptor to wait for with poll(2).
    let descriptor: Int32
    private let nanosecondsPerTick: Int64

    /// - Parameter device: The name of an interface, or `nflog:N` for a netfilter log group.
    init(device: String, snapLength: Int, bufferSize: Int) throws(FabricError) {
        handle = try activated(device: device, snapLength: snapLength, bufferSize: bufferSize)
        descriptor = pcap_get_selectable_fd(handle)
        nanosecondsPerTick = pcap_get_tstamp_precision(handle) == PCAP_TSTAMP_PRECISION_NANO ? 1 : 1000
    }

    deinit { pcap_close(handle) }

    /// Takes the packets that wait, at most `limit`, oldest first. The body gets the time in nanoseconds since 1970,
    /// the captured bytes (valid only during the call), and the packet's length on the wire in bytes.
    ///
    /// - Throws: `FabricError` when the interface has gone away.
    /// - Returns: The number of packets that were taken.
    func drain(
        limit: Int, _ body: (_ time: Int64, _ bytes: UnsafeRawBufferPointer, _ length: Int) -> Void
    ) throws(FabricError) -> Int {
        var taken = 0
        while taken < limit {
            var header: UnsafeMutablePointer<pcap_pkthdr>?
            var data: UnsafePointer<UInt8>?
            errno = 0
            let status = pcap_next_ex(handle, &header, &data)
            guard status == 1, let header = header?.pointee else {
                // libpcap reports an empty netfilter log as an error with EAGAIN.
                if status < 0, errno != EAGAIN { throw FabricError(.capture, String(cString: pcap_geterr(handle))) }
                break
            }
            let time = Int64(header.ts.tv_sec) * 1_000_000_000 + Int64(header.ts.tv_usec) * nanosecondsPerTick
            body(time, UnsafeRawBufferPointer(start: data, count: Int(header.caplen)), Int(header.len))
            taken += 1
        }
        return taken
    }

    /// The number of packets since the start that the kernel had no room for; nil when libpcap cannot tell.
    func dropped() -> UInt64? {
        var statistics = pcap_stat()
        guard pcap_stats(handle, &statistics) == 0 else { return nil }
        return UInt64(statistics.ps_drop)
    }
}

private func activated(device: String, snapLength: Int, bufferSize: Int) throws(FabricError) -> OpaquePointer {
    var message = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
    guard let handle = pcap_create(device, &message) else {
        throw FabricError(.capture, "capture of \(device): \(text(message))")
    }
    pcap_set_snaplen(handle, Int32(snapLength))
    pcap_set_promisc(handle, 1)
    pcap_set_immediate_mode(handle, 1)
    pcap_set_buffer_size(handle, Int32(clamping: bufferSize))
    pcap_set_tstamp_precision(handle, PCAP_TSTAMP_PRECISION_NANO)
    // A status above zero is a warning, for example that promiscuous mode has no meaning for a log group.
    let status = pcap_activate(handle)
    guard status >= 0, pcap_setnonblock(handle, 1, &message) == 0 else {
        let reason = status < 0 ? failure(of: handle, status) : text(message)
        pcap_close(handle)
        throw FabricError(
            .capture, "capture of \(device): \(reason)", isInterfaceDown: status == PCAP_ERROR_IFACE_NOT_UP)
    }
    return handle
}

private func failure(of handle: OpaquePointer, _ status: Int32) -> String {
    "\(String(cString: pcap_statustostr(status))): \(String(cString: pcap_geterr(handle)))"
}

private func text(_ buffer: [CChar]) -> String {
    String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
