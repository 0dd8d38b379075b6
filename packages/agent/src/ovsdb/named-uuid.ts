// How one operation of a transaction refers to a row that an earlier one inserts (RFC 7047 5.1,
// <named-uuid>). A declaration of its own, because both column types and values name it.

/** A row inserted in the same transaction, by the name it was given there. */
export class NamedUuid {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}
