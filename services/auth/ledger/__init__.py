"""Money: prices, wallets, holds, settlements and the journal that proves them."""
