import CLibnftables

/// A libnftables context: runs transactions in the network namespace of the calling thread.
struct NftablesContext: ~Copyable {
    private let handle: OpaquePointer

    init() throws(FabricError) {
        guard let handle = nft_ctx_new(UInt32(NFT_CTX_DEFAULT)) else {
            throw FabricError(.nftables, "nft_ctx_new: out of memory")
        }
        self.handle = handle
        nft_ctx_buffer_output(handle)
        nft_ctx_buffer_error(handle)
        nft_ctx_output_set_flags(
            handle, NFT_CTX_OUTPUT_JSON.flag | NFT_CTX_OUTPUT_HANDLE.flag | NFT_CTX_OUTPUT_NUMERIC_ALL.flag)
    }

    deinit { nft_ctx_free(handle) }

    /// Runs the commands as one transaction: all of them or none take effect.
    func run(_ commands: [String]) throws(FabricError) {
        _ = try answer(commands.joined(separator: "\n") + "\n")
    }

    /// The JSON that a `list` command prints (libnftables-json(5)).
    func list(_ what: String) throws(FabricError) -> String {
        try answer("list \(what)\n")
    }

    private func answer(_ text: String) throws(FabricError) -> String {
        let status = nft_run_cmd_from_buffer(handle, text)
        // Both buffers are read every time, because only reading empties them.
        let output = nft_ctx_get_output_buffer(handle).map { String(cString: $0) } ?? ""
        let errors = nft_ctx_get_error_buffer(handle).map { String(cString: $0) } ?? ""
        guard status == 0 else { throw FabricError(.nftables, "nftables: \(errors.isEmpty ? "failed" : errors)") }
        return output
    }
}

// The enumeration is anonymous, so its constants arrive as Int.
extension Int {
    fileprivate var flag: UInt32 { UInt32(self) }
}
