import Domicile

/// The router's error that a call throws; nil if it throws nothing.
func routerError(_ body: () async throws -> Void) async -> RouterError? {
  do {
    try await body()
    return nil
  } catch {
    return error as? RouterError
  }
}

/// Its code.
func routerCode(_ body: () async throws -> Void) async -> RouterError.Code? {
  await routerError(body)?.code
}
